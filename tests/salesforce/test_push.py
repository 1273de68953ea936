import time
from connector.sync import *
from connector.salesforce.push import PushOptions
def test_x(sandbox, settings):
    t=time.time(); run_pull(settings); print('pull',time.time()-t)
    t=time.time(); run_build(settings); print('build',time.time()-t)
    t=time.time(); d=run_push(settings, PushOptions(dry_run=True)); print('dry',time.time()-t)
    t=time.time(); r=run_push(settings); print('push',time.time()-t, r)
    t=time.time(); r=run_push(settings); print('push',time.time()-t, r)
    print(sandbox.org.write_counts, sandbox.org.calls)
    print(sandbox.org.records("LMS_Enrollment__c")[0])
    print(sandbox.org.records("LMS_Course__c")[0])
