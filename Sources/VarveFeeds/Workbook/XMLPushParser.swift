import CXML
import Glibc

/// libxml2's SAX2 push parser, set up for hostile documents: no DOCTYPE, no entities but the five predefined ones, no
/// network, no file, bounded depth, markup and attributes.
///
/// Callbacks get the parser's context as user data. Those for elements begin with `enter` and `leave`, which keep the
/// bounds and lead to the reader's own state. Names and namespaces are interned in the context's dictionary, so callbacks
/// compare pointers with those of `interned(_:)`.
final class XMLPushParser {
  let context: xmlParserCtxtPtr
  private let guarded: UnsafeMutablePointer<Guarded>
  private var opening: [UInt8] = []
  private var bytesFed = 0
  /// Bytes of the document that were read by other means, between two that were fed.
  var bytesSkipped = 0

  /// What callbacks find behind the context, beside libxml2's own.
  private struct Guarded {
    let state: UnsafeMutableRawPointer
    let limits: XMLLimits
    var depth = 0
    var failure: XMLFailure?
  }

  /// - Parameter state: what `enter`, `leave` and `state(_:)` lead to; it outlives the parser.
  init(
    state: UnsafeMutableRawPointer, limits: XMLLimits, start: startElementNsSAX2Func, end: endElementNsSAX2Func,
    characters: charactersSAXFunc
  ) {
    Self.setUpProcess
    var handler = xmlSAXHandler()
    handler.initialized = UInt32(XML_SAX2_MAGIC)
    handler.internalSubset = { user, _, _, _ in XMLPushParser.stop(XMLPushParser.context(user), .doctype) }
    handler.startElementNs = start
    handler.endElementNs = end
    handler.characters = characters
    handler.ignorableWhitespace = characters
    handler.cdataBlock = characters
    // Without it libxml2 prints to the standard error; what went wrong is read from the context.
    handler.serror = { _, _ in }
    guard let context = xmlCreatePushParserCtxt(&handler, nil, nil, 0, nil) else { fatalError("out of memory") }
    self.context = context
    guarded = .allocate(capacity: 1)
    guarded.initialize(to: Guarded(state: state, limits: limits))
    context.pointee._private = UnsafeMutableRawPointer(guarded)
    xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue))
  }

  deinit {
    if let document = context.pointee.myDoc { xmlFreeDoc(document) }
    xmlFreeParserCtxt(context)
    guarded.deinitialize(count: 1)
    guarded.deallocate()
  }

  /// The pointer by which callbacks know that name or namespace.
  func interned(_ text: StaticString) -> UnsafePointer<xmlChar> {
    guard let pointer = xmlDictLookup(context.pointee.dict, text.utf8Start, Int32(text.utf8CodeUnitCount)) else {
      fatalError("out of memory")
    }
    return pointer
  }

  /// Parses more of the document, in any slicing.
  func feed(_ bytes: UnsafeRawBufferPointer) throws(XMLFailure) {
    var rest = bytes[...]
    if opening.count < Self.openingBytes {
      // libxml2 guesses the encoding from the first bytes, which have to come together.
      let more = rest.prefix(Self.openingBytes - opening.count)
      opening.append(contentsOf: more)
      rest = rest.dropFirst(more.count)
      guard opening.count == Self.openingBytes else { return }
      try parse(opening)
    }
    while !rest.isEmpty {
      let piece = rest.prefix(Self.pieceBytes)
      rest = rest.dropFirst(piece.count)
      try parse(UnsafeRawBufferPointer(rebasing: piece))
    }
  }

  /// The document ends here.
  func finish() throws(XMLFailure) {
    if opening.count < Self.openingBytes { try parse(opening) }
    try check(xmlParseChunk(context, nil, 0, 1))
    // A prefix that nobody declared does not stop the parser.
    guard context.pointee.wellFormed == 1, context.pointee.nsWellFormed == 1 else { throw failure() }
  }

  /// Whether the bytes fed are UTF-8 as they come.
  var readsUTF8: Bool { context.pointee.input?.pointee.buf?.pointee.encoder == nil }

  /// Whether all that was fed has been parsed, and the element at hand may go on with a tag.
  var standsBetweenTags: Bool {
    guard let input = context.pointee.input else { return false }
    return input.pointee.cur == input.pointee.end && context.pointee.instate == XML_PARSER_CONTENT
  }

  /// Whether a prefix has been declared for that namespace, and is in force.
  func hasPrefix(_ prefix: StaticString, for namespace: StaticString) -> Bool {
    let prefix = interned(prefix)
    let namespace = interned(namespace)
    guard let table = context.pointee.nsTab else { return false }
    for index in stride(from: 0, to: Int(context.pointee.nsNr), by: 2) where table[index] == prefix {
      if table[index + 1] == namespace { return true }
    }
    return false
  }

  private static let openingBytes = 4
  /// Small enough that an overlong tag is noticed before much of it is looked at.
  private static let pieceBytes = 32 << 10

  private func parse(_ bytes: [UInt8]) throws(XMLFailure) {
    bytesFed += bytes.count
    try check(bytes.withUnsafeBytes { push($0) })
  }

  private func parse(_ bytes: UnsafeRawBufferPointer) throws(XMLFailure) {
    bytesFed += bytes.count
    try check(push(bytes))
    // Text is handed out as it comes, so that what waits is an unfinished tag, comment or instruction.
    if let input = context.pointee.input, input.pointee.end - input.pointee.cur > guarded.pointee.limits.markupBytesMax
    {
      throw .markupTooLong(guarded.pointee.limits.markupBytesMax)
    }
  }

  private func push(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    xmlParseChunk(context, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), 0)
  }

  /// A stopped parser still calls itself well-formed, so the result code and our own note both count.
  private func check(_ result: Int32) throws(XMLFailure) {
    guard result == 0, guarded.pointee.failure == nil else { throw failure() }
  }

  private func failure() -> XMLFailure {
    if let failure = guarded.pointee.failure { return failure }
    var message = "unreadable"
    if let error = xmlCtxtGetLastError(context), let text = error.pointee.message {
      message = String(cString: text)
      while message.last?.isWhitespace == true { message.removeLast() }
    }
    let position = xmlByteConsumed(context)
    return .malformed(message, byte: (position < 0 ? bytesFed : position) + bytesSkipped)
  }

  private static let setUpProcess: Void = {
    xmlInitParser()
    // Nothing outside the document is ever loaded.
    xmlSetExternalEntityLoader { _, _, _ in nil }
  }()
}

/// For callbacks.
extension XMLPushParser {
  @inline(__always)
  private static func context(_ user: UnsafeMutableRawPointer?) -> xmlParserCtxtPtr {
    user.unsafelyUnwrapped.assumingMemoryBound(to: xmlParserCtxt.self)
  }

  @inline(__always)
  private static func guarded(_ context: xmlParserCtxtPtr) -> UnsafeMutablePointer<Guarded> {
    context.pointee._private.unsafelyUnwrapped.assumingMemoryBound(to: Guarded.self)
  }

  @inline(__always)
  static func state(_ user: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    guarded(context(user)).pointee.state
  }

  /// An element begins: the reader's state, or nil when a bound was passed and the parser has been stopped.
  @inline(__always)
  static func enter(_ user: UnsafeMutableRawPointer?, _ attributes: XMLAttributes) -> UnsafeMutableRawPointer? {
    let guarded = guarded(context(user))
    guarded.pointee.depth += 1
    if guarded.pointee.depth > guarded.pointee.limits.depthMax || attributes.count > 16 {
      guard keepsBounds(user, attributes) else { return nil }
    } else if attributes.count > 0 {
      guard attributes.valueBytes <= guarded.pointee.limits.markupBytesMax else {
        _ = keepsBounds(user, attributes)
        return nil
      }
    }
    return guarded.pointee.state
  }

  @inline(__always)
  static func leave(_ user: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    let guarded = guarded(context(user))
    guarded.pointee.depth -= 1
    return guarded.pointee.state
  }

  @inline(never)
  private static func keepsBounds(_ user: UnsafeMutableRawPointer?, _ attributes: XMLAttributes) -> Bool {
    let context = context(user)
    let limits = guarded(context).pointee.limits
    if guarded(context).pointee.depth > limits.depthMax {
      stop(context, .tooDeep(limits.depthMax))
    } else if attributes.count > limits.attributesMax {
      stop(context, .tooManyAttributes(limits.attributesMax))
    } else if attributes.valueBytes > limits.markupBytesMax {
      stop(context, .markupTooLong(limits.markupBytesMax))
    } else {
      return true
    }
    return false
  }

  /// No further callback is made; `feed` throws.
  static func stop(_ context: xmlParserCtxtPtr, _ failure: XMLFailure) {
    let guarded = guarded(context)
    if guarded.pointee.failure == nil { guarded.pointee.failure = failure }
    xmlStopParser(context)
  }
}

/// Why a document was not read to its end.
enum XMLFailure: Error {
  /// The reader stopped it, and knows why.
  case stoppedByReader
  case doctype
  case tooDeep(Int)
  case tooManyAttributes(Int)
  case markupTooLong(Int)
  case malformed(String, byte: Int)

  var sentence: String {
    switch self {
    case .stoppedByReader: "was not read to its end"
    case .doctype: "holds a DOCTYPE, which workbooks must not"
    case .tooDeep(let most): "nests elements more than \(most) deep"
    case .tooManyAttributes(let most): "has a tag of more than \(most) attributes"
    case .markupTooLong(let most): "has a tag or comment of more than \(most) bytes"
    case .malformed(let message, let byte): "is broken XML at byte \(byte): \(message)"
    }
  }
}

/// The attributes of one element, in libxml2's groups of five pointers: name, prefix, namespace, value, end of value.
struct XMLAttributes {
  let start: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
  let count: Int

  @inline(__always)
  init(_ start: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?, _ count: Int32) {
    self.start = start
    self.count = Int(count)
  }

  @inline(__always)
  func name(_ index: Int) -> UnsafePointer<xmlChar> { start.unsafelyUnwrapped[index * 5].unsafelyUnwrapped }

  @inline(__always)
  func namespace(_ index: Int) -> UnsafePointer<xmlChar>? { start.unsafelyUnwrapped[index * 5 + 2] }

  /// As libxml2 has it: `&amp;` stands there as `&#38;`.
  @inline(__always)
  func value(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    let value = start.unsafelyUnwrapped[index * 5 + 3].unsafelyUnwrapped
    return UnsafeBufferPointer(start: value, count: start.unsafelyUnwrapped[index * 5 + 4].unsafelyUnwrapped - value)
  }

  /// The value as text. Without entity substitution libxml2 leaves every ampersand as a character reference.
  func text(_ index: Int) -> String {
    let value = value(index)
    guard value.contains(UInt8(ascii: "&")) else { return String(decoding: value, as: UTF8.self) }
    var bytes: [UInt8] = []
    var position = 0
    while position < value.count {
      bytes.append(value[position])
      let isReference = value[position] == UInt8(ascii: "&") && value[(position + 1)...].starts(with: "#38;".utf8)
      position += isReference ? 5 : 1
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @inline(__always)
  var valueBytes: Int {
    var total = 0
    for index in 0..<count { total += value(index).count }
    return total
  }
}
