"""sObject, collection and replication resources."""
