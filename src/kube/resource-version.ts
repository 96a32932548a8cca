/**
 * Which of two resourceVersions is newer. They are opaque to clients of old servers; since Kubernetes 1.35 they are decimal numbers
 * that may be compared, which they always were for what etcd holds. Anything else compares as "cannot tell".
 */
export const compareResourceVersions = (a: string, b: string): number | undefined => {
  if (a === b) return 0;
  if (!/^[1-9]\d*$/.test(a) || !/^[1-9]\d*$/.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
};
