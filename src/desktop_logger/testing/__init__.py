"""Made-up input and checks that others can run: nothing here is ever loaded by the program itself."""
