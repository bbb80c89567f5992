"""The API, by what is acted on."""

API = "/api/v1"
