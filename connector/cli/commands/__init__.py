"""The commands, one file each; `learnsync --help` shows these lines without importing any of them.

Each line is the first sentence of the command's docstring, which a test compares.
"""

SUMMARIES = {
    "pull": "Absorb → warehouse.",
    "build": "Warehouse → learning_record and learning_item_progress.",
    "push": "Differences → Salesforce, and the LearningRecord API where set.",
    "readback": "Salesforce → warehouse: people, native progress, our own records; finds drift and marks what is due"
    " again.",
    "sync": "Pull, match, build, push, read back, publish; a sweep for deletions first when one is due.",
    "reconcile": "Full id sweep: find what vanished in Absorb and mark it removed; nothing is deleted.",
    "publish": "Replace the analysts' file (LEARNSYNC_WAREHOUSE__PUBLISH_PATH) atomically.",
    "status": "Watermarks, row counts, where every enrollment is, last runs, pending rejects, API calls used.",
    "explain": "One enrollment's way: source row → LearningRecord → the rule that chose its status → last push"
    " outcome.",
    "doctor": "Check settings, maps, warehouse, portal and org; one line each, with the remedy.",
    "adopt": "Make the portal and the org that the settings name those of the warehouse.",
    "assign": "Salesforce → Absorb: enroll who was assigned a course in Salesforce.",
    "sandbox": "Serve a local portal, org and LearningRecord API until interrupted, and print the settings that use"
    " them.",
    "demo": "Run the whole way through Dagster against a sandbox: pull, map, push, change, sync again.",
    "ui": "Serve Dagster's web pages and run its daemon until interrupted, against your portal or a sandbox.",
    "version": "Print the version.",
    "auth": "Log in to the Absorb portal by OAuth 2.0, instead of username and password.",
    "api": "Any of the portal's enrollment operations by hand: list them, call one.",
    "rejects": "Quarantined source rows and rejected pushes.",
}
