"""The broker's memory."""
