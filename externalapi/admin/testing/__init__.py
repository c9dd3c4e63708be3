"""The Test API page, its history and its test cases."""
