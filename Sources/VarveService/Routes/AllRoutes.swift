internal import VarveDelivery
internal import VarveJSON
internal import VarveLake

/// Everything that is served, in the order of the document.
let allRoutes: [Route] = callbackRoutes + tableRoutes + workRoutes + selfRoutes + ConsolePage.routes

/// The drop-in for services that run beside Pimcore.
private let callbackRoutes: [Route] = [
  Route(
    method: "POST", path: "/api/ingest", summary: "Ingest a file, and push its records to a callback",
    details: "Answers at once; the work goes on behind. The receiver sees `ingestion_id` in every chunk.",
    parameters: [
      Route.Parameter(
        place: "header", name: "Idempotency-Key",
        help: "The caller's name of this request: the same key and body give the same answer, and happen once.",
        schema: ["type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"])
    ],
    body: [
      "type": "object",
      "properties": [
        "file_path": ["type": ["string", "null"], "description": "Below one of the service's --allow-root."],
        "file_type": ["type": ["string", "null"], "description": "json or excel."],
        "callback_url": ["type": ["string", "null"], "description": "One that --allow-callback allows."],
        "chunk_size_by_records": ["type": ["integer", "null"], "minimum": 0, "maximum": 4000],
        "chunk_size_by_memory": [
          "type": ["integer", "null"], "minimum": 0, "maximum": 1_073_741_824,
          "description": "Bytes of JSON; give this or chunk_size_by_records.",
        ],
        "re_ingestion": ["type": ["boolean", "null"], "default": false],
      ],
    ],
    answer: [
      "type": "object", "required": ["status", "ingestion_id"],
      "properties": ["status": ["const": "STARTED"], "ingestion_id": Shape.text],
    ],
    refusals: [422]
  ) { call in
    let id = try call.desk.accept(call.request.body, idempotencyKey: call.request.headers["idempotency-key"])
    return .json(["status": "STARTED", "ingestion_id": .string(id)])
  },
  Route(
    method: "GET", path: "/health", summary: "Whether the service answers", isOpen: true,
    answer: [
      "type": "object", "required": ["status", "message"],
      "properties": ["status": ["const": 200], "message": Shape.text],
    ]
  ) { _ in .json(["status": 200, "message": "success check ok!"]) },
]

/// The service about itself.
private let selfRoutes: [Route] = [
  Route(
    method: "GET", path: "/metrics", summary: "Counters and gauges for Prometheus",
    contentType: "text/plain; version=0.0.4", answer: Shape.text
  ) { call in
    let counts = try call.desk.ledger.ingestionCounts()
    let gauges = [IngestionRecord.State.pending, .inProgress, .failed, .dead, .done].map {
      ("varve_ingestions{state=\"\($0.rawValue)\"}", counts[$0] ?? 0)
    }
    return .text(call.desk.metrics.text(gauges: gauges), type: "text/plain; version=0.0.4")
  },
  Route(
    method: "GET", path: "/openapi.json", summary: "This document"
  ) { _ in .json(OpenAPI.document(allRoutes)) },
  Route(
    method: "GET", path: "/docs", summary: "A page to read and try the service", isOpen: true,
    contentType: "text/html; charset=utf-8", answer: Shape.text
  ) { _ in
    var reply = HTTPServer.Reply.text(DocumentationPage.html, type: "text/html; charset=utf-8")
    reply.headers.append(("Content-Security-Policy", DocumentationPage.policy))
    return reply
  },
]
