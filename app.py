"""The app: `streamlit run app.py`.

Streamlit's server imports this file once and finds `app`, which starts recording. Every rerun of
every session then runs the script in `tandem/ui/app.py`, which draws the chosen page.
"""

import streamlit as st

from tandem.ui import app as script

if __name__ == "__main__":
    script.main()
else:
    app = st.App(script.__file__, **script.parts())
