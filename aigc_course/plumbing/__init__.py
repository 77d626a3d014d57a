"""What the course needs and nobody has to read: settings, machine, files, grading. It imports nothing above it."""
