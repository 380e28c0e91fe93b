import VarveTables

/// A raw cell, written down in a test.
struct Cell: Hashable, CustomStringConvertible {
  var kind: RawKind
  var text: String

  init(_ kind: RawKind, _ text: String = "") {
    self.kind = kind
    self.text = text
  }

  var description: String { "\(kind)(\(text))" }
}

/// Fields of a CSV file: nil is an unquoted empty one.
func csv(_ fields: String?...) -> [Cell] { fields.map { $0.map { Cell(.untyped, $0) } ?? Cell(.null) } }

func rawColumn(_ cells: some Collection<Cell>, name: String = "a") -> RawColumn {
  var column = RawColumn(name: name)
  for cell in cells {
    column.kinds.append(cell.kind)
    column.bytes.append(contentsOf: cell.text.utf8)
    column.ends.append(column.bytes.count)
  }
  return column
}

func cells(_ column: RawColumn) -> [Cell] {
  (0..<column.count).map {
    Cell(column.kinds[$0], String(decoding: column.bytes[column.range($0)], as: UTF8.self))
  }
}

/// Rows 2, 3, … of a file with its header in row 1.
func origins(_ rows: Range<Int>) -> Origins {
  Origins(file: "f.csv", unit: .row, positions: rows.map { $0 + 2 })
}

func values(_ column: Column?) -> [Value] {
  column.map { column in (0..<column.count).map { column.value(at: $0) } } ?? []
}

/// The whole column in one batch, inferred.
func infer(_ cells: [Cell], _ options: TypingOptions = TypingOptions()) -> (typer: ColumnTyper, typed: TypedColumn) {
  var typer = ColumnTyper(inferring: "a", options: options)
  let typed = typer.type(rawColumn(cells), origins: origins(0..<cells.count))
  return (typer, typed)
}

func declare(_ field: Field, _ cells: [Cell], _ options: TypingOptions = TypingOptions()) throws -> TypedColumn {
  var typer = try ColumnTyper(declared: field, options: options)
  return typer.type(rawColumn(cells), origins: origins(0..<cells.count))
}
