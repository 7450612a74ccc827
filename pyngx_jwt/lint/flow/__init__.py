"""What follows from the model: values of variables, redirects, header fields, open doors."""
