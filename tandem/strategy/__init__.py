"""The pair model, its trading rules, the two-leg trader."""
