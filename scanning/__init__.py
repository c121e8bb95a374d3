"""The scanner's parts; `scanner.py` is the door to them."""
