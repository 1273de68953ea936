"""Made-up words for a made-up portal. Addresses end in example.com and example.org, which reach nobody."""

# ruff: noqa: SIM905 - word lists read better as lines of words
from __future__ import annotations

FIRST_NAMES = """
Ada Amara Anouk Arjun Astrid Bao Bea Bjorn Carmen Chidi Chloé Dalia Daniel Diego Ebba Elena Elif
Emeka Farah Felix Fiona Gabriel Grace Hana Hugo Ines Ivan Jonas José Kaito Karin Kwame Laila Leo
Lucía Malik Mei Mina Nadia Niamh Noor Oksana Omar Paolo Priya Quentin Rania Ravi Rosa Sami Sara
Søren Tamar Tariq Uma Viktor Wen Ximena Yara Yusuf Zoë
""".split()
LAST_NAMES = """
Abara Adler Almeida Andersson Banerjee Bauer Becker Boateng Castro Chen Cohen Costa Dahl Demir
Diallo Dubois Eriksen Esposito Fischer Fofana García Gupta Haddad Hansen Hoang Ibrahim Ivanova
Jansen Johansson Kaplan Keller Khan Kim Kowalski Larsen Leclerc Lindqvist Lopez Mbeki Medina Meyer
Morales Nakamura Ndiaye Novak O'Brien O'Neill Okafor Olsen Park Patel Petrov Quispe Rahman Rossi
Sato Schmidt Silva Singh Smith Suzuki Tanaka Torres Ueda Vargas Weber Wójcik Yilmaz Young Zhang
""".split()
JOB_TITLES = (
    "Account Executive", "Analyst", "Branch Manager", "Compliance Officer", "Customer Success Manager",
    "Data Engineer", "Field Technician", "HR Business Partner", "Nurse", "Sales Representative", "Store Associate",
    "Support Engineer", "Warehouse Operative",
)  # fmt: skip
CITIES = ("Aarhus", "Austin", "Berlin", "Calgary", "Dublin", "Leeds", "Lisbon", "Lyon", "Perth", "Toronto")
DEPARTMENT_NAMES = (
    "Company", "Sales", "Sales EMEA", "Sales Americas", "Service", "Field Service", "Contact Centre", "Operations",
    "Warehouse North", "Warehouse South", "Finance", "People", "Technology",
)  # fmt: skip
# Position of each department's parent among the names; the first one is the root.
DEPARTMENT_PARENTS = (None, 0, 1, 1, 0, 4, 4, 0, 7, 7, 0, 0, 0)
TOPICS = (
    "Data Privacy", "Workplace Safety", "Anti-Bribery", "Information Security", "Forklift Operation", "First Aid",
    "Consultative Selling", "Negotiation", "Onboarding", "Code of Conduct", "Inclusive Leadership", "Fire Warden",
    "Excel", "Project Management", "Customer Care", "Food Hygiene", "Coaching", "Incident Response",
)  # fmt: skip
LEVELS = ("Essentials", "101", "201", "Refresher", "Advanced", "for Managers", "Masterclass")
VENDORS = ("Northwind Learning", "Contoso Academy", "Fabrikam Skills", "Open Campus")
