"""The checks of `upjob map check` on the customers of generate.py, ten of twelve columns, with Python's csv module: what a
careful script would do. check_python.py FILE: prints the rows, the problems, and the keys that stand in several rows."""
import csv, re, sys

EMAIL = re.compile(r"[^@\s,;<>()\[\]\\\"]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
DAMAGE = {"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"}


def check(path):
    lines_of, rows, problems = {}, 0, []
    with open(path, encoding="utf-8", newline="") as file:
        records = csv.reader(file, strict=True)
        header = next(records)
        width = len(header)
        column = {name: i for i, name in enumerate(header)}
        key, email, number = column["CustomerId"], column["EmailAddress"], column["Balance"]
        texts = [column[name] for name in ("FirstName", "LastName", "Address", "City", "PostalCode", "Country", "Tier")]
        for row in records:
            rows += 1
            line = records.line_num
            if len(row) != width:
                problems.append((line, 0, f"the row has {len(row)} cells, the header has {width}"))
                continue
            if not row[key]:
                problems.append((line, key, "is empty, and it is the unique key"))
            elif len(row[key]) > 255:
                problems.append((line, key, "is too long"))
            lines_of.setdefault(row[key], []).append(line)
            value = row[email]
            if value and (len(value) > 255 or not EMAIL.fullmatch(value)):
                problems.append((line, email, "is not an e-mail address"))
            value = row[number]
            if value and not NUMBER.fullmatch(value):
                problems.append((line, number, "is not a number"))
            for i in texts:
                value = row[i]
                if len(value) > 255:
                    problems.append((line, i, "is too long"))
                elif value in DAMAGE or "\0" in value:
                    problems.append((line, i, "is what a spreadsheet has left"))
    repeated = sum(len(lines) > 1 for lines in lines_of.values())
    return rows, len(problems), repeated


print(*check(sys.argv[1]))
