"""Rules over readings, the alerts they raise, and the channels that tell somebody."""
