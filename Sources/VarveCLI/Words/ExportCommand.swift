internal import Varve

let exportCommand = Command(
  "export", "Write a version or an answer to a file, or a table for Iceberg",
  arguments: [Argument("TABLE[@VERSION]", "What is exported; left out with --query.", isRequired: false)],
  options: [
    Option("to", "FILE", .path, "The file; it appears whole or not at all."),
    Option("query", "SQL", .text, "The answer to a SELECT, instead of a table."),
    Option(
      "format", ExportFormat.allCases.map(\.rawValue).joined(separator: "|"),
      .choice(ExportFormat.allCases.map(\.rawValue)), preset: "told by the file's extension",
      "The file's format."),
    .flag("force", "Put the export in the place of a file that is there."),
    .flag("iceberg", "Apache Iceberg metadata over the table's own files, with a snapshot for each version."),
    Option(
      "base-path", "URI", .text, preset: "where it lies now",
      "The address of the table's directory as readers of the Iceberg metadata have it."),
  ],
  details: [
    "Rows are written one after the other, in bounded memory. In a workbook text is text, dates are dates, and what a "
      + "workbook would change (numbers of over 15 digits, times finer than a millisecond) is text; a full worksheet is "
      + "followed by another.",
    "Iceberg metadata lies in the table's directory `metadata`. Its addresses are absolute: a table that moves is "
      + "exported again. The version is what readers see who name none.",
    versionSpellings,
  ],
  examples: [
    ("varve export products@3 --to products.xlsx", "a version as a workbook"),
    (
      "varve export --query 'SELECT sku, price FROM products' --to prices.csv --force",
      "an answer as CSV, in the place of the last one"
    ),
    ("varve export products --iceberg", "every version for pyiceberg, without a copy"),
  ])
