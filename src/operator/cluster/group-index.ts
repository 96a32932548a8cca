/** Members of groups by name; a group without members costs nothing. */
export class GroupIndex<Member> {
  readonly #groups = new Map<string, Map<string, Member>>();

  /** Puts a member into a group, or takes it out with `undefined`. */
  set(group: string, name: string, member: Member | undefined): void {
    const members = this.#groups.get(group);
    if (member !== undefined) {
      if (members) members.set(name, member);
      else this.#groups.set(group, new Map([[name, member]]));
      return;
    }
    if (!members) return;
    members.delete(name);
    if (members.size === 0) this.#groups.delete(group);
  }

  /** The members of a group, in no order. */
  of(group: string): readonly Member[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }
}
