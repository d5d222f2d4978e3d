"""What csv.lua does, with Python's csv module: csv_python.py WAY FILE [COLUMN COLUMN]"""
import csv, sys


def count(file):
    rows = csv.reader(file)
    next(rows)
    return sum(1 for _ in rows), 0


def names(file, first, second):
    rows = csv.reader(file)
    header = next(rows)
    a, b = header.index(first), header.index(second)
    records = characters = 0
    for row in rows:
        records += 1
        characters += len(row[a]) + len(row[b])
    return records, characters


def dictionaries(file, first, second):
    records = characters = 0
    for row in csv.DictReader(file):
        records += 1
        characters += len(row[first]) + len(row[second])
    return records, characters


def cells(file):
    rows = csv.reader(file)
    next(rows)
    records = total = 0
    for row in rows:
        records += 1
        total += len(row)
    return records, total


way, path, *columns = sys.argv[1:]
with open(path, encoding="utf-8", newline="") as opened:
    print(*{"count": count, "names": names, "dictionaries": dictionaries, "cells": cells}[way](opened, *columns))
