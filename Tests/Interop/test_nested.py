"""Nested columns of Parquet files by other writers, value by value."""

import duckdb
import polars
import pyarrow.parquet
import pytest

from faults import seeded


NESTED = pyarrow.schema([
    ("id", pyarrow.int64()),
    ("s", pyarrow.struct([("a", pyarrow.int32()), ("c", pyarrow.struct([("d", pyarrow.float64()), ("e", pyarrow.bool_())]))])),
    ("l", pyarrow.list_(pyarrow.list_(pyarrow.int64()))),
    ("o", pyarrow.list_(pyarrow.struct([("x", pyarrow.int64()), ("y", pyarrow.list_(pyarrow.string()))]))),
    ("m", pyarrow.map_(pyarrow.string(), pyarrow.list_(pyarrow.int64()))),
    ("z", pyarrow.string()),
])  # fmt: skip


def nested(chance, kind):
    """(a value of that type as pyarrow takes it, the same as JSON)"""
    if chance.random() < 0.2:
        return None, None
    if pyarrow.types.is_struct(kind):
        made = {field.name: nested(chance, field.type) for field in kind}
        return {name: value[0] for name, value in made.items()}, {name: value[1] for name, value in made.items()}
    if pyarrow.types.is_map(kind):
        made = {key: nested(chance, kind.item_type) for key in chance.sample(["k", "ö", ""], chance.randint(0, 3))}
        return [(key, value[0]) for key, value in made.items()], {key: value[1] for key, value in made.items()}
    if pyarrow.types.is_list(kind):
        made = [nested(chance, kind.value_type) for _ in range(chance.randint(0, 3))]
        return [value[0] for value in made], [value[1] for value in made]
    value = {
        "int": lambda: chance.randint(-9, 9), "double": chance.random, "bool": lambda: chance.random() < 0.5,
        "string": lambda: chance.choice(["", "ほうじ茶", 'q"\\\n', "x" * 40]),
    }[str(kind).rstrip("0123456789")]()  # fmt: skip
    return value, value


@pytest.mark.parametrize("writer", ["pyarrow", "pyarrow v2", "pyarrow legacy", "duckdb", "polars"])
def test_nested_columns_of_other_writers_come_as_json(warehouse, tmp_path, writer):
    chance = seeded("nested")
    columns = [field for field in NESTED if not (writer == "polars" and field.name == "m")]
    made = [{field.name: nested(chance, field.type) for field in columns} for _ in range(700)]
    for number, row in enumerate(made):
        row["id"] = (number, number)
    table = pyarrow.Table.from_pylist([{k: v[0] for k, v in row.items()} for row in made], pyarrow.schema(columns))
    path = tmp_path / "nested.parquet"
    options = {
        "pyarrow": {"row_group_size": 300}, "pyarrow v2": {"data_page_version": "2.0", "data_page_size": 200},
        "pyarrow legacy": {"use_compliant_nested_type": False, "use_dictionary": False, "write_batch_size": 16},
    }  # fmt: skip
    if writer == "duckdb":
        duckdb.sql(f"COPY (FROM \"table\") TO '{path}' (FORMAT parquet)")
    elif writer == "polars":
        polars.from_arrow(table).write_parquet(path)
    else:
        pyarrow.parquet.write_table(table, path, **options[writer])
    warehouse.ingest(path, "--into", "t", "--key", "id")
    expected = [{name: value[1] for name, value in row.items()} for row in made]
    assert warehouse.run("query", "--format", "json", "SELECT * FROM t ORDER BY id").json == expected
