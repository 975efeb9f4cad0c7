"""What users and machines read: one text and one JSON document for each value."""
