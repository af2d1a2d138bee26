"""The OpenAPI document of the API, made from the table of routes. The process of the API never imports this: it sends the file."""
