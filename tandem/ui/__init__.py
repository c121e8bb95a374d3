"""The Streamlit pages: Live, Backtest, Scanner, Surveillance, Data.

Only this part and `app.py` import Streamlit.
"""
