// The interactive description, made by Swagger UI, of what stands in openapi.json.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#description",
  deepLinking: true,
  // Swagger's own service for checking descriptions is on the internet.
  validatorUrl: null,
});
