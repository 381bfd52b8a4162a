"""Appends groups of lines to a list, under a lock: append.py NAME"""

import os
import sys

import redis

name = sys.argv[1]
client = redis.Redis(port=int(os.environ["SEEDIS_PORT"]), db=6)
for number in range(30):
    with client.lock("writer", timeout=60, sleep=0.001):
        for part in range(3):
            client.rpush("lines", f"{name} {number} {part}")
