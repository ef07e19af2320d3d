"""What the product knows: values, the port, and services that depend on nothing but ports."""
