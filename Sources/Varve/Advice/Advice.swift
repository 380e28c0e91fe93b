/// How feeds are best written to a table: a decision tree of questions that are answered by yes or no, with a pattern of
/// idempotent processing at each end.
public indirect enum Advice: Sendable {
  case question(AdviceQuestion, yes: Advice, no: Advice)
  case pattern(AdvisedPattern)

  /// Where the answers lead, by the question's name: to a pattern, or to the first question that has no answer.
  public func following(_ answers: [String: Bool]) -> Advice {
    guard case .question(let question, let yes, let no) = self, let answer = answers[question.name] else { return self }
    return (answer ? yes : no).following(answers)
  }

  /// Every question, in the order in which they come, each once.
  public var questions: [AdviceQuestion] {
    guard case .question(let question, let yes, let no) = self else { return [] }
    var all = [question]
    for other in yes.questions + no.questions where !all.contains(where: { $0.name == other.name }) {
      all.append(other)
    }
    return all
  }

  /// Every pattern, in the order in which they come.
  public var patterns: [AdvisedPattern] {
    switch self {
    case .question(_, let yes, let no): yes.patterns + no.patterns
    case .pattern(let pattern): [pattern]
    }
  }

  /// The tree as lines of text, a branch below each question.
  public var drawing: String { lines.joined(separator: "\n") }

  private var lines: [String] {
    switch self {
    case .pattern(let pattern): return [pattern.name + ": " + pattern.commands[0]]
    case .question(let question, let yes, let no):
      func branch(_ sign: String, _ rest: String, _ advice: Advice) -> [String] {
        advice.lines.enumerated().map { ($0 == 0 ? sign : rest) + $1 }
      }
      return ["\(question.name)? \(question.text)"] + branch("├─ yes ─ ", "│        ", yes)
        + branch("└─ no ── ", "         ", no)
    }
  }
}

/// Something about feeds that decides how they are written.
public struct AdviceQuestion: Sendable, Hashable {
  /// One word: the name of its option.
  public var name: String
  /// As a person is asked.
  public var text: String
}

/// A pattern and how it is done here.
public struct AdvisedPattern: Sendable, Hashable {
  /// As the books call it.
  public var name: String
  /// What makes it the one, and what it promises.
  public var reason: String
  /// Command lines, with words in capitals to fill in.
  public var commands: [String]
}

extension Advice {
  /// The tree: what a feed holds decides first, then what identifies a row, then what happens to the past.
  public static let tree: Advice = .question(
    AdviceQuestion(
      name: "full",
      text: "Does each feed hold all of the data, or all of a part such as a market (no: what is new or changed)?"),
    yes: .question(
      AdviceQuestion(
        name: "metadata", text: "Is the whole table replaced, so that its old files can go by their metadata alone?"),
      yes: .pattern(
        AdvisedPattern(
          name: "Fast metadata cleaner",
          reason:
            "The old files are taken out of the new version without being read, and readers go from one full data "
            + "set to the next. The same feed again changes nothing.",
          commands: ["varve ingest FILE --into TABLE --mode overwrite", "varve truncate TABLE"])),
      no: .pattern(
        AdvisedPattern(
          name: "Data overwrite",
          reason: "The partition that the feed is all of is declared and replaced as one; a row outside it is refused. "
            + "Running a day again replaces that day only.",
          commands: [
            "varve ingest FILE --into TABLE --partition-by COLUMN --mode overwrite --partition COLUMN=VALUE"
          ]))),
    no: .question(
      AdviceQuestion(name: "keys", text: "Are there columns that identify a row from feed to feed?"),
      yes: .question(
        AdviceQuestion(name: "changes", text: "Do later feeds change or delete rows of earlier ones?"),
        yes: .question(
          AdviceQuestion(name: "backfills", text: "Are past runs corrected and run again?"),
          yes: .pattern(
            AdvisedPattern(
              name: "Stateful merger",
              reason:
                "Each run is remembered with the version that it started from. A past run that comes again starts "
                + "from there, and the runs after it are replayed; readers never see the hole.",
              commands: [
                "varve ingest FILE --into TABLE --mode stateful-merge --key COLUMN --execution 2024-10-06"
              ])),
          no: .pattern(
            AdvisedPattern(
              name: "Merger",
              reason: "Rows are updated, inserted and deleted by their key; a row that comes out as it was is not "
                + "written again.",
              commands: ["varve ingest FILE --into TABLE --mode merge --key COLUMN"]))),
        no: .pattern(
          AdvisedPattern(
            name: "Insert of unknown keys",
            reason: "A row whose key is there already stays as it is, so feeds may overlap.",
            commands: ["varve ingest FILE --into TABLE --mode insert --key COLUMN"]))),
      no: .question(
        AdviceQuestion(name: "constant", text: "Are there columns that never change, of which a key can be made?"),
        yes: .pattern(
          AdvisedPattern(
            name: "Keyed idempotency",
            reason: "The key is made from those columns, the same in every run and every program, so a record that "
              + "comes again is known again.",
            commands: ["varve ingest FILE --into TABLE --mode insert --key-from COLUMNS"])),
        no: .pattern(
          AdvisedPattern(
            name: "Processed feeds",
            reason: "Rows are added, and each feed once: it is known by its content, whatever it is called.",
            commands: ["varve ingest FILE --into TABLE"])))))

  /// Patterns that go with any other.
  public static let companions: [AdvisedPattern] = [
    AdvisedPattern(
      name: "Transactional writer", reason: "Several tables change together, or none does.",
      commands: ["varve transaction FILE"]),
    AdvisedPattern(
      name: "Proxy", reason: "Readers see a version once it was checked, and go back to any other.",
      commands: ["varve ingest FILE --into TABLE --hold-publish", "varve publish TABLE", "varve publish TABLE@7"]),
  ]
}
