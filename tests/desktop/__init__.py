"""Tests of the whole house: real X servers, real processes, real signals."""
