#!/usr/bin/env python3
"""Writes a file of customers: 12 columns, keys in random order, a fifth of the rows of a key seen before.
generate.py ROWS FILE"""
import random
import sys

rows, path = int(sys.argv[1]), sys.argv[2]
random.seed(1)
keys = max(1, rows * 4 // 5)
cities = ["Berlin", "São Paulo", "Springfield", "Kraków", "Lyon", "Osaka", "Leeds", "Porto"]
with open(path, "w", encoding="utf-8", newline="") as out:
    out.write("CustomerId,FirstName,LastName,EmailAddress,PhoneNumber,Address,City,PostalCode,Country,Tier,Balance,Note\n")
    for i in range(rows):
        k = random.randrange(keys)
        note = f'"said ""hello"", {k % 97}"' if i % 5 == 0 else "plain"
        out.write(f"{k:08d},Ann{k % 4999},Lee{k % 9973},c{k}@example.com,+1555{k % 10000000:07d},"
                  f"{k % 999} Main St,{cities[k % 8]},{k % 99999:05d},US,{('gold', 'silver', 'none')[k % 3]},{k % 100000 / 100},{note}\n")
