"""The screen: the only part of Tandem, beside `app.py`, that knows Streamlit."""
