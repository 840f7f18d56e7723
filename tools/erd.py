#!/usr/bin/env python3
"""Draws a warehouse's tables from its catalogue: Mermaid diagrams in Markdown.

    tools/erd.py "$(tillrace status --json | jq -r .warehouse_url)" > docs/erd/README.md

tests/scenario/erd.py checks that docs/erd/README.md is what a fresh warehouse gives.
"""
import subprocess
import sys

SCHEMAS = {
    "shop": "The shop in third normal form",
    "stream": "What ties the warehouse to the log",
    "report": "Running aggregates, one row a partition",
}

COLUMNS = """
select c.table_name, c.column_name, replace(c.data_type, ' ', '_'),
       exists (select from information_schema.table_constraints t
               join information_schema.key_column_usage k using (constraint_schema, constraint_name)
               where t.constraint_type = 'PRIMARY KEY' and k.table_schema = c.table_schema
                 and k.table_name = c.table_name and k.column_name = c.column_name),
       exists (select from information_schema.table_constraints t
               join information_schema.key_column_usage k using (constraint_schema, constraint_name)
               where t.constraint_type = 'FOREIGN KEY' and k.table_schema = c.table_schema
                 and k.table_name = c.table_name and k.column_name = c.column_name),
       c.is_nullable = 'YES',
       coalesce(col_description(to_regclass(c.table_schema || '.' || c.table_name),
                                c.ordinal_position), '')
from information_schema.columns c join information_schema.tables b using (table_schema, table_name)
where c.table_schema = '{schema}' and b.table_type = 'BASE TABLE'
order by c.table_name, c.ordinal_position
"""

REFERENCES = """
select child.relname, parent.relname,
       (select string_agg(a.attname, ', ' order by k.place)
        from unnest(con.conkey) with ordinality as k(number, place)
        join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.number),
       not exists (select from unnest(con.conkey) as k(number)
                   join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.number
                   where not a.attnotnull)
from pg_constraint con
join pg_class child on child.oid = con.conrelid
join pg_class parent on parent.oid = con.confrelid
where con.contype = 'f' and con.connamespace = '{schema}'::regnamespace
order by 1, 2, 3
"""

TABLES = """
select c.relname, coalesce(obj_description(c.oid), '')
from pg_class c where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'r' order by 1
"""


def query(url, sql):
    psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\x1f", "-R", "\x1e"]
    command = [*psql, "-d", url, "-c", sql]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [row.split("\x1f") for row in answer.strip("\n").split("\x1e") if row]


def entity(name, columns):
    lines = [f"    {name} {{"]
    for _, column, kind, primary, foreign, nullable, _ in columns:
        keys = [key for key, has in (("PK", primary), ("FK", foreign)) if has == "t"]
        note = ' "may be null"' if nullable == "t" else ""
        lines.append(f"        {kind} {column} {','.join(keys)}{note}".rstrip())
    return lines + ["    }"]


def diagram(url, schema):
    columns = query(url, COLUMNS.format(schema=schema))
    lines = ["```mermaid", "erDiagram"]
    for name in sorted({row[0] for row in columns}):
        lines += entity(name, [row for row in columns if row[0] == name])
    for child, parent, by, mandatory in query(url, REFERENCES.format(schema=schema)):
        parent_end = "||" if mandatory == "t" else "|o"
        lines.append(f'    {parent} {parent_end}--o{{ {child} : "{by}"')
    return lines + ["```"]


def described(url, schema):
    lines = ["| table | what it holds |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in query(url, TABLES.format(schema=schema))]
    notes = [row for row in query(url, COLUMNS.format(schema=schema)) if row[6]]
    lines += [""] + [f"- `{row[0]}.{row[1]}`: {row[6]}" for row in notes] if notes else []
    return lines


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("# The warehouse's tables\n")
    print("Made by `tools/erd.py` from the catalogue of a running warehouse; do not edit.")
    for schema, title in SCHEMAS.items():
        print(f"\n## {schema}: {title}\n")
        print("\n".join(diagram(sys.argv[1], schema) + [""] + described(sys.argv[1], schema)))


if __name__ == "__main__":
    main()
