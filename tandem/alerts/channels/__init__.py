"""Delivery channels: log, CSV file, mail, webhook, Telegram, Slack, Discord."""
