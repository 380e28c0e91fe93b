internal import CCurl
internal import VarveTables

/// An absolute http or https URL, and how far it may lead.
package struct WebAddress: Hashable, Sendable {
  /// As given.
  package let text: String
  package let isEncrypted: Bool
  package let host: String

  /// Refuses what is no http or https URL, and one that carries a password, which would end up in the ledger.
  package init(_ text: String, place: [String] = []) throws {
    self.text = text
    let url = curl_url()
    defer { curl_url_cleanup(url) }
    let isParsed =
      !text.utf8.contains { $0 <= 0x20 || $0 == 0x7F } && text.contains("://")
      && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK
    guard isParsed, let scheme = WebAddress.part(CURLUPART_SCHEME, of: url),
      scheme == "http" || scheme == "https", let host = WebAddress.part(CURLUPART_HOST, of: url), !host.isEmpty
    else {
      throw Problem(
        .usage, at: place, "\"\(Answer.shown(text))\" is no http or https URL",
        advice: "write it like http://127.0.0.1:9000/products")
    }
    guard WebAddress.part(CURLUPART_USER, of: url) == nil, WebAddress.part(CURLUPART_PASSWORD, of: url) == nil else {
      throw Problem(
        .usage, at: place, "the URL of \(host) carries a user name or password",
        advice: "declare the target in varve.json with \"token\", which names where the secret is kept")
    }
    isEncrypted = scheme == "https"
    self.host = host
  }

  private static func part(_ part: CURLUPart, of url: OpaquePointer?) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(url, part, &text, 0) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }
}
