#!/usr/bin/env python3
"""Writes a file of customers: 12 columns, four fifths as many keys as rows, in random order.
generate.py ROWS FILE [narrow]     narrow: a key and empty cells, so that 50 million rows are under the service's 1 GB"""
import random
import sys

rows, path, narrow = int(sys.argv[1]), sys.argv[2], "narrow" in sys.argv[3:]
random.seed(1)
keys = max(1, rows * 4 // 5)
cities = ["Berlin", "São Paulo", "Springfield", "Kraków", "Lyon", "Osaka", "Leeds", "Porto"]
with open(path, "w", encoding="utf-8", newline="") as out:
    out.write("CustomerId,FirstName,LastName,EmailAddress,PhoneNumber,Address,City,PostalCode,Country,Tier,Balance,Note\n")
    for i in range(rows):
        k = random.randrange(keys)
        if narrow:
            out.write(f"{k:x},,,,,,,,,,,\n")
            continue
        note = f'"said ""hello"", {k % 97}"' if i % 5 == 0 else "plain"
        out.write(f"{k:08d},Ann{k % 4999},Lee{k % 9973},c{k}@example.com,+1555{k % 10000000:07d},"
                  f"{k % 999} Main St,{cities[k % 8]},{k % 99999:05d},US,{('gold', 'silver', 'none')[k % 3]},{k % 100000 / 100},{note}\n")
