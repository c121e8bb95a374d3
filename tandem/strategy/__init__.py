"""What is traded and how: the pair model, its rules, and the trader's state machine."""
