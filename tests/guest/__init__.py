"""A kernel of our own with input devices: User Mode Linux, booted for the tests of the evdev backend."""
