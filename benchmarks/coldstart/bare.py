"""The bare engine: llama.cpp's own server on a local file, and the time to its first word. Knows nothing of Emeritus.

python -I bare.py '{"path": …, "context": …, "slots": …, "threads": …, "body": …}'
"""

import http.client
import json
import sys
import time

import xllamacpp

asked = json.loads(sys.argv[1])
chosen = xllamacpp.CommonParams()
chosen.model.path = asked["path"]
chosen.hostnames = ["127.0.0.1"]
chosen.port = 0
chosen.n_parallel = asked["slots"]
chosen.n_ctx = asked["context"] * asked["slots"]
chosen.cpuparams.n_threads = asked["threads"]
chosen.cpuparams_batch.n_threads = asked["threads"]
chosen.fit_params = False
chosen.cache_ram_mib = 0
chosen.ui = False
chosen.offline = True
chosen.verbosity = 2
server = xllamacpp.Server(chosen)
where = server.listening_address.removeprefix("http://")
while True:
    connection = http.client.HTTPConnection(where)
    connection.request("GET", "/health")
    if connection.getresponse().status == 200:
        break
    time.sleep(0.01)
connection = http.client.HTTPConnection(where)
connection.request("POST", "/v1/chat/completions", asked["body"], {"content-type": "application/json"})
answer = connection.getresponse()
for line in answer:
    if b'"content":"' in line:
        break
else:
    raise SystemExit("it said nothing")
print("spoke", flush=True)
sys.stdin.read()
