internal import VarveJSON
internal import VarveTables

/// What is wrong with a Pimcore's set-up, as far as its interfaces tell.
///
/// The importer is asked with an empty body, which no format of it takes for a file: it looks at configuration and key,
/// and imports and cleans up nothing.
struct ImporterCheck {
  let importer: DataImporter

  /// `sent` are the fields that a table sends, where one is to be checked.
  func findings(sent: [String]?) throws -> [TargetFinding] {
    try pushing() + reading(sent)
      + [
        TargetFinding(
          .open, "that loading, cleanup, delta check and queue are set as varve.json says, no interface tells",
          advice: "look at the import configuration, as Documentation/Pimcore.md shows")
      ]
  }

  private func pushing() throws -> [TargetFinding] {
    let type = importer.settings.csv == nil ? "application/json" : "text/csv; charset=utf-8"
    do throws(HTTPFailure) {
      let stranger = try importer.ask([], type: type, isAuthorized: false)
      guard stranger.isAboutKey else { return [wrong(stranger)] }
      let there = TargetFinding(.good, "the import configuration is there, and its data source is Push")
      let said = try importer.ask([], type: type)
      if said.isAboutKey {
        return [
          there,
          TargetFinding(
            .wrong, "the Data Importer does not know the key", advice: "copy it from the import's data source settings"),
        ]
      }
      guard said.isUnprepared || said.isSuccess else { return [there, wrong(said)] }
      return [
        there, TargetFinding(.good, "the Data Importer knows the key"),
        TargetFinding(.open, "whether the configuration is active and its queue empty is seen when rows are sent"),
      ]
    } catch {
      switch error {
      case .unanswered(let reason), .impossible(let reason):
        return [TargetFinding(.wrong, "the Data Importer cannot be reached: \(reason)", advice: "look at \"url\"")]
      case .interrupted: throw Problem(.interrupted, "interrupted")
      }
    }
  }

  private func wrong(_ said: DataImporter.Said) -> TargetFinding {
    let advice =
      said.isUnknownConfiguration
      ? "make it, or name another with \"config\""
      : said.isOtherSource
        ? "choose Push as the import's data source"
        : "is the Data Importer installed there, and \"url\" without its path?"
    return TargetFinding(.wrong, said.text, advice: advice)
  }

  private func reading(_ sent: [String]?) throws -> [TargetFinding] {
    let name = importer.settings.className
    let schema = try importer.hub.ask("{ __schema { queryType { fields { name } } mutationType { fields { name } } } }")
    var findings: [TargetFinding] = []
    switch schema {
    case .unanswered(let reason, _): return [TargetFinding(.wrong, "cannot be reached: \(reason)")]
    case .impossible(let reason) where reason.contains("HTTP"):
      return [TargetFinding(.wrong, reason, advice: "look at \"graphql\", and at the configuration in Pimcore")]
    case .impossible:
      findings.append(TargetFinding(.open, "Data Hub does not tell its schema, and so not whether it may delete"))
    case .data(let data):
      func has(_ side: String, _ field: String) -> Bool {
        data["__schema"]?[side]?["fields"]?.array?.contains { $0["name"]?.string == field } == true
      }
      guard has("queryType", "get\(name)Listing") else {
        return [
          TargetFinding(
            .wrong, "Data Hub does not read the class \(name)", advice: "add it to the schema's query entities")
        ]
      }
      findings.append(TargetFinding(.good, "Data Hub reads the class \(name)"))
      findings.append(
        has("mutationType", "delete\(name)")
          ? TargetFinding(.good, "Data Hub may delete objects of it")
          : TargetFinding(
            .wrong, "Data Hub may not delete objects of the class \(name)",
            advice: "allow it in the schema's mutation entities, and in the workspace"))
    }
    return findings + (try attributes(sent))
  }

  /// A listing of a key that nothing has names attributes that cannot be read.
  private func attributes(_ sent: [String]?) throws -> [TargetFinding] {
    guard let sent else {
      return [
        TargetFinding(.open, "which attributes are read back depends on the table", advice: "name one to check it")
      ]
    }
    let attributes = importer.attributes(of: sent).map(\.attribute)
    if let other = attributes.first(where: { !ImporterSettings.isGraphQLName($0) }) {
      return [
        TargetFinding(
          .wrong, "\"\(Answer.shown(other))\" is no attribute's name",
          advice: "give it one in \"attributes\" of \"graphql\", or null")
      ]
    }
    let listing = try importer.hub.objects(
      keys: ["\u{1}"], keyAttribute: importer.keyAttribute, attributes: attributes)
    switch listing {
    case .objects: return [TargetFinding(.good, "Data Hub reads the key and \(attributes.count) other attributes")]
    case .unanswered(let reason, _): return [TargetFinding(.wrong, reason)]
    case .impossible(let reason):
      return [
        TargetFinding(
          .wrong, reason,
          advice: "add the attribute to the columns of the query entity, or map the field to it in \"attributes\" of "
            + "\"graphql\"")
      ]
    }
  }
}

extension ImporterSettings {
  /// Where no table is checked, a key that could be one.
  var checkedKeyField: String { "id" }
}
