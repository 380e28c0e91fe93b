import CXML
import VarveTables

/// Small documents that say all they say in attributes: relationships, the workbook, styles, content types.
enum XMLElements {
  /// Calls `visit` at the beginning of each element, with the local names from the root down to it.
  ///
  /// Attributes go by their local name, those of a namespace by `namespace|name` also.
  static func read(
    _ part: String, in parts: ZipParts,
    visit: @escaping (_ path: [String], _ attributes: [String: String]) throws -> Void
  ) throws {
    let bytes = try parts.bytes(part)
    var walk = Walk(visit: visit)
    try withUnsafeMutablePointer(to: &walk) { state in
      let parser = XMLPushParser(
        state: state, limits: parts.limits.xml,
        start: { user, name, _, _, _, _, count, _, attributes in
          let attributes = XMLAttributes(attributes, count)
          guard let state = XMLPushParser.enter(user, attributes) else { return }
          let walk = state.assumingMemoryBound(to: Walk.self)
          walk.pointee.path.append(String(cString: name!))
          do {
            if walk.pointee.problem == nil { try walk.pointee.visit(walk.pointee.path, Self.dictionary(attributes)) }
          } catch {
            walk.pointee.problem = error
          }
        },
        end: { user, _, _, _ in
          XMLPushParser.leave(user).assumingMemoryBound(to: Walk.self).pointee.path.removeLast()
        },
        characters: { _, _, _ in })
      do {
        try bytes.withUnsafeBytes { try parser.feed($0) }
        try parser.finish()
      } catch let failure as XMLFailure {
        throw Problem(.failed, at: [parts.file.name, "part \(part)"], failure.sentence)
      }
      if let problem = state.pointee.problem { throw problem }
    }
  }

  private struct Walk {
    var path: [String] = []
    let visit: ([String], [String: String]) throws -> Void
    var problem: (any Error)?

    init(visit: @escaping ([String], [String: String]) throws -> Void) { self.visit = visit }
  }

  private static func dictionary(_ attributes: XMLAttributes) -> [String: String] {
    var dictionary: [String: String] = [:]
    for index in 0..<attributes.count {
      let name = String(cString: attributes.name(index))
      let value = attributes.text(index)
      if let namespace = attributes.namespace(index) {
        dictionary[String(cString: namespace) + "|" + name] = value
      } else {
        dictionary[name] = value
      }
    }
    return dictionary
  }
}
