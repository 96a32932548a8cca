/**
 * The part of CEL that conditions may use, as an allow-list over the parsed text: no arithmetic and no conversions (they can fail), no
 * matches() (JavaScript's patterns can take for ever), and lists only where they are looked through once, never inside of each other.
 */
import type { ASTNode } from "@marcbachmann/cel-js";

/** Most parts of what exists(), all() and exists_one() ask of each entry, all of them in a condition together. */
export const loopNodesMax = 32;

/** Something that conditions cannot use. `offset`: where it stands, in characters from the beginning. */
export class SubsetFault extends Error {
  override readonly name = "SubsetFault";
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const roots: ReadonlySet<string> = new Set(["identity", "request"]);
const lists: ReadonlySet<string> = new Set(["identity.roles", "identity.groups"]);
const tests: ReadonlySet<string> = new Set(["startsWith", "endsWith", "contains"]);
const loops: ReadonlySet<string> = new Set(["exists", "all", "exists_one"]);
const available =
  "there are ==, !=, <, <=, >, >=, in, !, &&, ||, ?:, startsWith(), endsWith(), contains(), size() of a list, exists(), all(), exists_one()";

/** Names that the text reads, such as `identity.user`. Throws SubsetFault at the first thing that conditions cannot use. */
export const subsetNames = (root: ASTNode): ReadonlySet<string> => {
  const walk = new Walk();
  walk.scalar(root);
  return walk.names;
};

class Walk {
  readonly names = new Set<string>();
  /** The variable of the loop that is being walked. */
  #variable: string | undefined;
  #loopNodes = 0;

  /** A text, a number or a truth value. */
  scalar(node: ASTNode): void {
    this.#count(node);
    switch (node.op) {
      case "value":
        if (typeof node.args === "string" || typeof node.args === "boolean" || typeof node.args === "bigint") return;
        throw new SubsetFault("only texts, whole numbers, true and false can be written out here", node.start);
      case "id":
        this.#identifier(node.args, node);
        return;
      case ".":
        this.#member(node, node.args);
        return;
      case "!_":
      case "-_":
        this.scalar(node.args);
        return;
      case "==":
      case "!=":
      case "<":
      case "<=":
      case ">":
      case ">=":
      case "&&":
      case "||":
      case "?:":
        for (const each of node.args) this.scalar(each);
        return;
      case "in":
        this.scalar(node.args[0]);
        this.#list(node.args[1]);
        return;
      case "call":
        this.#call(node, node.args);
        return;
      case "rcall":
        this.#method(node, node.args);
        return;
      case "list":
        throw new SubsetFault("a list can stand after in, or before exists(), all() and exists_one()", node.start);
      default:
        throw new SubsetFault(`'${wordOf(node.op)}' cannot be used in a condition; ${available}`, node.pos);
    }
  }

  #identifier(name: string, node: ASTNode): void {
    if (name === this.#variable) return;
    if (roots.has(name)) throw new SubsetFault(`name a member of ${name}, such as ${example(name)}`, node.start);
    throw new SubsetFault(`there is no ${name}; there are identity and request`, node.start);
  }

  #member(node: ASTNode, [object, member]: readonly [ASTNode, string]): void {
    const name = this.#nameOf(object, member, node);
    if (lists.has(name))
      throw new SubsetFault(`${name} is a list; write 'a' in ${name}, or ${name}.exists(x, x == 'a')`, node.start);
  }

  #nameOf(object: ASTNode, member: string, node: ASTNode): string {
    if (object.op !== "id" || !roots.has(object.args))
      throw new SubsetFault("only identity and request have members", node.pos);
    this.#count(object);
    const name = `${object.args}.${member}`;
    this.names.add(name);
    return name;
  }

  #call(node: ASTNode, [name, args]: readonly [string, readonly ASTNode[]]): void {
    const [first] = args;
    if (name === "size" && first) {
      this.#list(first);
      return;
    }
    if (name === "has")
      throw new SubsetFault("has() is not needed: what is not known is '', so write identity.tenant != ''", node.start);
    throw new SubsetFault(`${name}() cannot be used in a condition; ${available}`, node.start);
  }

  #method(node: ASTNode, [name, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]]): void {
    if (name === "size" && args.length === 0) {
      this.#list(receiver);
      return;
    }
    if (tests.has(name)) {
      this.scalar(receiver);
      for (const each of args) this.scalar(each);
      return;
    }
    const [variable, body] = args;
    if (!loops.has(name) || !variable || !body)
      throw new SubsetFault(`${name}() cannot be used in a condition; ${available}`, node.pos);
    if (this.#variable !== undefined) throw new SubsetFault(`${name}() cannot stand inside of another loop`, node.pos);
    this.#list(receiver);
    if (variable.op !== "id" || roots.has(variable.args))
      throw new SubsetFault("a loop's variable needs a name of its own", variable.start);
    this.#variable = variable.args;
    this.scalar(body);
    this.#variable = undefined;
  }

  /** A list to be looked through. */
  #list(node: ASTNode): void {
    this.#count(node);
    if (node.op === "list") {
      for (const each of node.args) this.scalar(each);
      return;
    }
    if (node.op !== ".")
      throw new SubsetFault("here stands a list: identity.groups, identity.roles or ['a', 'b']", node.start);
    const name = this.#nameOf(node.args[0], node.args[1], node);
    if (!lists.has(name)) throw new SubsetFault(`${name} is no list`, node.start);
    if (this.#variable !== undefined) throw new SubsetFault(`${name} cannot stand inside of a loop`, node.start);
  }

  #count(node: ASTNode): void {
    if (this.#variable === undefined) return;
    this.#loopNodes++;
    if (this.#loopNodes > loopNodesMax)
      throw new SubsetFault(
        `loops ask too much of each entry: at most ${loopNodesMax} parts in a condition`,
        node.start,
      );
  }
}

const example = (root: string): string => (root === "identity" ? "identity.user" : "request.model");

/** The library's names of operators, as they are written. */
const wordOf = (op: string): string => (op === "map" ? "{}" : op.replace("_", ""));
