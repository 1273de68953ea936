"""The Salesforce org: its objects and rules, and the REST, query, bulk and Learnings Graph resources."""

from connector.sandbox.org.org import Org as Org
