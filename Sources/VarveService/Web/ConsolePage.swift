internal import VarveDelivery

/// The console at `/`: a page, its style and its scripts, which ask the service like any other caller. They hold no data,
/// so they are given without a token.
enum ConsolePage {
  /// Nothing but what this service gives; no page may frame it, nothing stands in it that is run.
  static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    + "form-action 'none'; frame-ancestors 'none'"

  private static let files: [(path: String, type: String, bytes: [UInt8])] = [
    ("/", "text/html; charset=utf-8", PackageResources.console_html),
    ("/console/console.css", "text/css; charset=utf-8", PackageResources.console_css),
    ("/console/console.js", script, PackageResources.console_js),
    ("/console/api.js", script, PackageResources.api_js),
    ("/console/dom.js", script, PackageResources.dom_js),
    ("/console/strata.js", script, PackageResources.strata_js),
    ("/console/tables.js", script, PackageResources.tables_js),
    ("/console/work.js", script, PackageResources.work_js),
    ("/console/query.js", script, PackageResources.query_js),
  ]
  private static let script = "text/javascript; charset=utf-8"

  /// The page of a service that asks nobody for a token.
  private static let openPage = Array(
    String(decoding: PackageResources.console_html, as: UTF8.self).split(
      separator: " data-token=\"needed\"", omittingEmptySubsequences: false
    ).joined().utf8)

  static let routes = files.map { file in
    Route(
      method: "GET", path: file.path, summary: "The console", isOpen: true, isListed: false, contentType: file.type,
      answer: Shape.text
    ) { call in
      let isOpen = file.path == "/" && !call.desk.options.needsToken
      var reply = HTTPServer.Reply.bytes(isOpen ? openPage : file.bytes, type: file.type)
      reply.headers.append(("Content-Security-Policy", policy))
      reply.headers.append(("Referrer-Policy", "no-referrer"))
      return reply
    }
  }
}
