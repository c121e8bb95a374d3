"""The ways an alert reaches somebody."""
