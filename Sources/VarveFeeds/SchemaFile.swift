package import VarveTables

/// What a schema file says: `{"columns": […], "timezone": …, "absent": …}`.
package struct SchemaFile: Sendable {
  package var schema: Schema
  package var timezone: String?
  /// Nil where the file does not say what an absent key means.
  package var absentIsNull: Bool?

  package init(schema: Schema, timezone: String? = nil, absentIsNull: Bool? = nil) {
    self.schema = schema
    self.timezone = timezone
    self.absentIsNull = absentIsNull
  }
}
