// Shows the API's own description, to be read and tried. The validator that Swagger UI would ask is on somebody else's server.
SwaggerUIBundle({ url: '/api/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null, docExpansion: 'list', defaultModelsExpandDepth: 0 });
