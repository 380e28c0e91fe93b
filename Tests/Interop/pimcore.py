"""A Pimcore as far as deliveries see it, written from its contracts and not from Varve: the Data Importer's push and Data
Hub's GraphQL (with graphql-core and a typed schema) over the objects of one class.

It remembers what must not happen: anything wiped, a push while rows wait, a row that the queue's column does not hold.
"""

import csv
import io
import json
import re
import threading

import fastapi
import graphql
from fastapi.responses import JSONResponse

TEXT_BYTES_MAX = 65_535
UNPREPARED = {"success": False, "message": "Import not prepared, see application log for details."}
PAGE = "<!DOCTYPE html><html><body><h1>{}</h1></body></html>\n"


def php(value):
    """As PHP's json_encode spells it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/")


def page(status, text):
    return fastapi.Response(PAGE.format(text), status, media_type="text/html")


class Pimcore:
    """`fields` is the class: attribute → String, Float, Boolean or Int. Rows are worked on `pace` at a time, at each
    request; None for all at once."""

    def __init__(self, fields, key="sku", import_key="import-key-0123456789", graphql_key="graphql-key-0123456789",
                 pace=None, columns=None, cleanup=False, delta_check=False, may_delete=True, introspection=True):
        self.fields, self.key, self.pace, self.columns = fields, key, pace, columns
        self.import_key, self.graphql_key = import_key, graphql_key
        self.cleanup, self.delta_check, self.may_delete = cleanup, delta_check, may_delete
        self.introspection = introspection
        self.active = True
        self.lock = threading.RLock()
        self.objects, self.next_id = {}, 1
        self.queue, self.deltas = [], {}
        self.pushes, self.headers, self.wiped, self.failures = [], [], [], []
        self.accepted_rows = 0
        self.schema = self.build_schema()
        self.app = fastapi.FastAPI()
        self.app.post("/pimcore-datahub-import/{name}/push")(self.push)
        self.app.post("/pimcore-graphql-webservices/{name}")(self.graphql)

    # --- What goes wrong: for doubles that lie

    def trouble(self, kind, body):
        """An answer in place of the right one. `kind` is push or graphql."""

    def fails_behind(self, rows):
        """Behind how many rows an exception interrupts a push; None for none."""

    def refuses(self, row):
        """Why a row fails in processing; None where it does not."""

    def saved(self, row):
        """What is saved of a row."""
        return row

    # --- The Data Importer

    async def push(self, name: str, request: fastapi.Request):
        body = await request.body()
        with self.lock:
            self.work()
            self.headers.append(dict(request.headers))
            return self.trouble("push", body) or self.answer_push(name, request.headers, body)

    def answer_push(self, name, headers, body):
        if not re.fullmatch(r"[\w-]+", name, re.ASCII):
            return page(404, "Page Not Found")
        if name != "products":
            return JSONResponse({"success": False, "error": f'Configuration "{name}" does not exist.'}, 500)
        if "authorization" not in headers:
            return JSONResponse({"success": False, "error": "Missing authorization"}, 500)
        if re.sub(r"^\s*Bearer\s", "", headers["authorization"]).strip() != self.import_key:
            return JSONResponse({"success": False, "error": "Invalid token"}, 500)
        if self.queue or not self.active:
            return JSONResponse(UNPREPARED, 405)
        try:
            rows = self.rows(body)
        except ValueError:
            return JSONResponse(UNPREPARED, 405)
        self.pushes.append(rows)
        fails_behind = self.fails_behind(rows)
        identifiers = []
        for index, row in enumerate(rows):
            data = php(row)
            if index == fails_behind or len(data) > TEXT_BYTES_MAX:
                if index != fails_behind:
                    self.failures.append(f"a row of {len(data)} bytes")
                return JSONResponse(UNPREPARED, 405)
            identifier = self.named(row).get(self.key)
            identifiers.append(identifier)
            if self.delta_check:
                if identifier is None or self.deltas.get(identifier) == data:
                    continue
                self.deltas[identifier] = data
            self.queue.append(("process", data))
            self.accepted_rows += 1
        if self.cleanup:
            for known in self.objects.values():
                if known[self.key] not in identifiers:
                    self.queue.append(("cleanup", known[self.key]))
        return JSONResponse({"success": True})

    def rows(self, body):
        if self.columns is None:
            value = json.loads(body.decode("utf-8-sig"))
            return value if isinstance(value, list) else list(value.values())
        if not body:
            raise ValueError("empty")
        # Python's reader keeps a backslash as PHP does where none stands before a quote.
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
        return rows[1:]

    def named(self, row):
        return dict(zip(self.columns, row)) if self.columns is not None else row

    def work(self, count=None):
        """Works on the queue as its workers do. A row leaves it whatever becomes of it."""
        with self.lock:
            count = count if count is not None else self.pace if self.pace is not None else len(self.queue)
            for kind, data in self.queue[:count]:
                if kind == "cleanup":
                    for number, known in list(self.objects.items()):
                        if known[self.key] == data:
                            del self.objects[number]
                            self.wiped.append(data)
                else:
                    self.process(self.named(json.loads(data)))
            del self.queue[:count]

    def process(self, row):
        reason = self.refuses(row)
        if reason:
            self.failures.append(reason)
            return
        # Each attribute is assigned; what a row lacks becomes null.
        values = {field: self.converted(kind, row.get(field)) for field, kind in self.fields.items()}
        values = self.saved(values)
        number = self.find(row.get(self.key))
        if number is None:
            number = self.next_id
            self.next_id += 1
        self.objects[number] = values

    @staticmethod
    def converted(kind, value):
        """The importer's operators: boolean and numeric; text as it comes."""
        if kind == "Boolean":
            return value not in (None, False, "", "false", "0", 0)
        if value is None or value == "":
            return None
        if kind in ("Float", "Int"):
            return {"Float": float, "Int": int}[kind](value)
        return value if isinstance(value, str) else json.dumps(value)

    def find(self, key):
        """MySQL's collations know neither case nor blanks at the end."""
        for number, values in self.objects.items():
            if key is not None and str(values[self.key]).lower().rstrip(" ") == str(key).lower().rstrip(" "):
                return number
        return None

    def table(self):
        """What is there, by key."""
        with self.lock:
            return {values[self.key]: values for values in self.objects.values()}

    # --- Data Hub

    def build_schema(self):
        operations = "deleteProduct(id: Int, fullpath: String): DeleteResult" if self.may_delete else "nothing: String"
        return graphql.build_schema(f"""
            type object_Product {{
              id: ID fullpath: String published: Boolean
              {" ".join(f"{field}: {kind}" for field, kind in self.fields.items())}
            }}
            type ProductEdge {{ cursor: String node: object_Product }}
            type ProductConnection {{ edges: [ProductEdge] totalCount: Int }}
            type DeleteResult {{ success: Boolean message: String }}
            type Query {{
              getProductListing(
                ids: String, fullpaths: String, tags: String, defaultLanguage: String, first: Int, after: Int,
                sortBy: [String], sortOrder: [String], filter: String, published: Boolean): ProductConnection
              getProduct(id: Int, fullpath: String, defaultLanguage: String): object_Product
            }}
            type Mutation {{ {operations} }}
        """)

    async def graphql(self, name: str, request: fastapi.Request):
        body = await request.body()
        with self.lock:
            self.work()
            self.headers.append(dict(request.headers))
            trouble = self.trouble("graphql", body)
            if trouble is not None:
                return trouble
            if name != "products":
                return page(404, f"No active configuration found for {name}")
            key = request.headers.get("apikey") or request.headers.get("x-api-key") or request.query_params.get("apikey")
            if key != self.graphql_key:
                return page(403, "Permission denied, apikey not valid")
            value = json.loads(body)
            if not self.introspection and "__schema" in value["query"]:
                return JSONResponse({"errors": [{"message": "GraphQL introspection is not allowed"}]})
            result = graphql.graphql_sync(self.schema, value["query"], root_value=self.root(),
                                          variable_values=value.get("variables"))
            answer = {} if result.errors is None else {"errors": [{"message": error.message} for error in result.errors]}
            return JSONResponse(answer | ({"data": result.data} if result.data is not None else {}))

    def root(self):
        return {"getProductListing": self.listing, "getProduct": self.lookup, "deleteProduct": self.delete}

    def node(self, number):
        return {"id": number, "published": True, "fullpath": f"/Product/{self.objects[number][self.key]}",
                **self.objects[number]}

    def listing(self, info, filter=None, first=None, after=0, published=True, **other):
        if filter is not None and not isinstance(json.loads(filter), dict):
            raise ValueError("unable to decode filter")
        wanted = json.loads(filter) if filter is not None else {}
        found = [number for number in self.objects if self.matches(self.objects[number], wanted)]
        shown = found[after:][:first]
        return {"totalCount": len(found),
                "edges": [{"cursor": f"object-{number}", "node": self.node(number)} for number in shown]}

    def matches(self, values, wanted):
        def part(name, value):
            if name == "$or":
                return any(self.matches(values, entry) for entry in value)
            if name == "$and":
                return all(self.matches(values, entry) for entry in value)
            assert not name.startswith("$") and not isinstance(value, (dict, list)), (name, value)
            # MySQL compares with the text, by a collation without case.
            return value is not None and str(values[name]).lower().rstrip(" ") == str(value).lower().rstrip(" ")
        return all(part(name, value) for name, value in wanted.items())

    def lookup(self, info, id=None, **other):
        if id not in self.objects:
            raise ValueError(f"object with id:'{id}' not found")
        return self.node(id)

    def delete(self, info, id=None, fullpath=None):
        if self.objects.pop(id, None) is None:
            return {"success": False, "message": "unable to delete object. Unknown id or fullpath"}
        return {"success": True, "message": "object deleted"}


__all__ = ["Pimcore", "page", "php"]
