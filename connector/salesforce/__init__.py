"""The target: a Salesforce org, through its REST API."""
