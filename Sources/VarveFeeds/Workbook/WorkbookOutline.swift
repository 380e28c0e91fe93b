/// The sheets of a workbook, in the order of their tabs.
package struct WorkbookOutline: Sendable {
  package var sheets: [Sheet]

  package struct Sheet: Hashable, Sendable {
    package var name: String
    /// Counted from 1 among the worksheets; nil for sheets that hold no cells of their own.
    package var number: Int?
    package var kind: Kind
    package var visibility: Visibility
    /// The part that holds it; empty when the workbook names none.
    var part: String
  }

  package enum Kind: String, Sendable { case worksheet, chart, dialog, macro, unknown }

  package enum Visibility: String, Sendable {
    case visible, hidden
    /// Hidden so that only a program can show it.
    case veryHidden
  }

  package var worksheets: [Sheet] { sheets.filter { $0.kind == .worksheet } }
}
