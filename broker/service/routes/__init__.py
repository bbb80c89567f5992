"""The API, by what is acted on."""
