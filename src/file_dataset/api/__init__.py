"""What users call: tables and options in, services at work, tables out."""
