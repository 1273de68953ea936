"""SOQL: its parser, its execution, and the query resources."""
